"""The page of a watch: its groups with their rates, examples and joined requests, changes, the watch itself; in English
and Korean, as blocks of `naru.report`. `words` has its texts, `facts` what is said, `rates` the drawings, `write` the
page."""
