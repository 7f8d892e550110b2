"""Operations that are cut off: every request of each of them, before it took effect and after, and what is left then.

``make cuts`` runs all of them (``python -m cuts``); ``tests/nova/functional/test_cuts.py`` some. An operation is a row
in ``operations.py``; nothing else has to be known of it.
"""
