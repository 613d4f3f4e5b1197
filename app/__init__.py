"""How do people use it?  The command line and the Streamlit app."""
