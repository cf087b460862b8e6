// Reading ahead, on software drivers.  A subgroup that walks along a row takes 128 bytes of each pixel, and the subgroups that follow take the rest of
// it: at such steps processors fetch nothing by themselves, and the first to touch a line of cache waits for it, every time.  So while a row is
// made each subgroup reads its share of the lines that the next row will need, and of those that it will be written to: 8 at once,
// one after the other, so that their waits overlap.
//
// Likewise where a subgroup writes 128 bytes each at places far apart: it reads all of them first.
//
// LINES (buffer, i): touches the 8 lines of 64 bytes of which the first starts at texel i for lane 0, and at i + 4 * lane for others.  What is or'ed
// together has to be used: masked by a zero that the compiler does not know.
#define LINES(buffer, i) floatBitsToUint (imageLoad (buffer, i).x)
#define LINES_TEXELS 32
