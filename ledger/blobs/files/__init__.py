"""The user's files and folders: which paths a content may hold, and files read for a content or made again from one."""
