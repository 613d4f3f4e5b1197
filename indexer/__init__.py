"""How does a pile of images become searchable, and how is it searched?"""
