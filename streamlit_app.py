"""Which pages exist?

Streamlit imports this file once as a module, to find `app`, the server with the routes for pictures; and runs it as a
script for every view of a page. As a module it imports little: the port is open only when that is done.
"""

from __future__ import annotations

import os

import streamlit as st

from app import warming

if __name__ == "__main__":
    from app.components import nav
    from app.pages import PAGES

    pages = [st.Page(**page) for page in PAGES]
    chosen = st.navigation(pages, position="hidden")
    nav.show(pages)
    try:
        chosen.run()
    finally:
        warming.sent()
else:
    from starlette.middleware import Middleware

    from app.gate import TOKEN_VARIABLE, Gate
    from app.routes import routes
    from app.thumbnails import Quick

    gate = Middleware(Gate, address=st.get_option("server.address"), token=os.environ.get(TOKEN_VARIABLE, ""))
    app = st.App(__file__, routes=routes(), middleware=[gate, Middleware(Quick)], lifespan=warming.warming)
