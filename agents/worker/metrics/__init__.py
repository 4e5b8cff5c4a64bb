"""How good an answer is: `evaluate` metrics of our own over the field's libraries, which need no hub."""
