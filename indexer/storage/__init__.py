"""Where and how do rows, vectors and marks lie on a disk or in an object store?"""
