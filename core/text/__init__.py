"""Turns texts into token ids and labels into zero-shot classifiers."""
