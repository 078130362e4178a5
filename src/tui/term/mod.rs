//! The tty: entering and leaving it, reading keys, writing frames, and the guard over every byte that goes out.
