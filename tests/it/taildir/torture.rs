//! Numbered lines, written while the file is rotated in every way at random from a seed, with crashes in between: each line
//! once in a channel that keeps its marks.
