"""Model bundles: writing, checking, loading, exporting, and the runtimes that compute them."""
