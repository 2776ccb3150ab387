"""Media without I/O: bytes in, values out. Nothing here knows a socket, a file, a clock or a task."""
