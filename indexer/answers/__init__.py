"""How does a query become vectors, a ranking, and hits in an order?"""
