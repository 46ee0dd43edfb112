"""Other instrumentations of LangChain, really run, and what the tables recover of their spans."""
