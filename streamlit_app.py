"""Which pages exist?

Streamlit imports this file once as a module, to find `app`, the server with the routes for pictures; and runs it as a
script for every view of a page.
"""

from __future__ import annotations

import os

import streamlit as st

from app.components import nav
from app.gate import TOKEN_VARIABLE, Gate
from app.pages import PAGES
from app.routes import routes
from app.state import warming
from app.thumbnails import Quick

if __name__ == "__main__":
    pages = [st.Page(**page) for page in PAGES]
    chosen = st.navigation(pages, position="hidden")
    nav.show(pages)
    chosen.run()
else:
    from starlette.middleware import Middleware

    gate = Middleware(Gate, address=st.get_option("server.address"), token=os.environ.get(TOKEN_VARIABLE, ""))
    app = st.App(__file__, routes=routes(), middleware=[gate, Middleware(Quick)], lifespan=warming)
