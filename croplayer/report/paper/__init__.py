"""The figures and tables of the paper (Jiang et al. 2025, ESSD 17, 6703) for any run, as an appendix of the report."""
