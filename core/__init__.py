"""How do a picture and a sentence become comparable vectors?"""
