"""Which pixels are one field, and is it the same field as last year?"""
