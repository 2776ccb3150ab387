"""Benchmarks that print JSON, and the peers they are measured against. `./dev bench NAME [--json]`.

Method. Server, camera and load are processes of their own on one machine, over loopback. CPU is the difference of user
and system time of the server's whole process tree over a steady window, 100 % is one core; memory is RSS at its end.
A run counts only if every viewer received the whole stream. Peers get the same clip and the same load in the same run.
"""
