"""The Streamlit app: pages, components and session state."""
