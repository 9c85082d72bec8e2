"""The page in the browser on which people label and judge; `server` alone and `document` need bokeh."""
