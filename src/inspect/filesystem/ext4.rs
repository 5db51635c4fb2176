//! ext4: files by path through ext4-view, the whole tree and extents through our own by-inode reader.
