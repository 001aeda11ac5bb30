"""What is defined where in a workspace, and where it is used: read in a process of its own, kept on disk.

`client` is what the rest of the house asks; everything else here runs in the child process that `worker` is.
"""
