"""How do the pictures of sources become committed rows, without one being lost or made twice?"""
