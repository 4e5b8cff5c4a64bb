"""The report as one HTML file that needs nothing else: no network, no program but a browser, no script to be read."""
