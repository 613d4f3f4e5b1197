"""Which pages exist?

Streamlit imports this file once as a module, to find `app`, the server with the routes for pictures; and runs it as a
script for every view of a page.
"""

from __future__ import annotations

import streamlit as st

from app.pages import PAGES
from app.routes import routes

if __name__ == "__main__":
    st.navigation([st.Page(**page) for page in PAGES], position="top").run()
else:
    app = st.App(__file__, routes=routes())
