"""Starts the web app: its pages, routes and access control.

Streamlit imports this file once as a module, to find `app`, the server with the routes for images; and runs it as a
script for every view of a page. As a module it imports little: the port is open only when that is done.
"""

from __future__ import annotations

import os

import streamlit as st

from app.server import warmup

if __name__ == "__main__":
    from app.web.components import navigation
    from app.web.pages import PAGES

    pages = [st.Page(**page) for page in PAGES]
    chosen = st.navigation(pages, position="hidden")
    navigation.show(pages)
    try:
        chosen.run()
    finally:
        warmup.sent()
else:
    from starlette.middleware import Middleware

    from app.server.auth import AccessControl
    from app.server.routes import routes
    from app.server.thumbnails import ThumbnailMiddleware
    from app.settings import TOKEN_VARIABLE

    gate = Middleware(AccessControl, address=st.get_option("server.address"), token=os.environ.get(TOKEN_VARIABLE, ""))
    app = st.App(__file__, routes=routes(), middleware=[gate, Middleware(ThumbnailMiddleware)], lifespan=warmup.warming)
