"""How do vectors come from other programs, and go to them, so that nobody has to embed again?"""
