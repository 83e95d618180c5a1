"""What a cloud owns: read in bulk (`read`), as rows (`rows`) of known kinds (`kinds`), kept whole (`archive`)."""
