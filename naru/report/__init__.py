"""Reports: pages as blocks of messages, written as HTML and Markdown in each language, and whole directories of them.

What a report says is up to a capability. Here is how it is written: `blocks` are a page as data, its texts messages;
`words` says them in a language; `html` and `markdown` are made of them, and `page` makes both files of a page; `tables`
writes CSV for programs; `names` and `commands` make users' names fit for files, for a shell and for the eye;
`directory` puts all files in their place in one move.
"""
