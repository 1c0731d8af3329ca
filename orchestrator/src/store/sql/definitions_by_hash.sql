SELECT hash, document FROM definitions WHERE hash = ANY($1)
