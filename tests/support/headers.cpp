/// Nothing: the object whose precompiled header the tests share.
