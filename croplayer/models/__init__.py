"""Networks for the cropland mask and the coverage type: built, trained, run and shipped here."""
