"""How does a model get better, and how do we know?"""
