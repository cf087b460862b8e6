// Where sample i of an axis reads its source, exactly: at (first + i * step) / den, or 0 where that is negative.

// The whole part of the place; @fraction: the rest, from 0 to 1.  @inverse = 1 / den.  The quotient is guessed in floating point
// and then corrected by at most one.
int
source (int i, int first, int step, int den, float inverse, out float fraction)
{
  int n = max (first + i * step, 0);
  int q = int (float (n) * inverse), r = n - q * den;
  int over = int (r < 0);
  q -= over;
  r += over * den;
  int under = int (r >= den);
  q += under;
  r -= under * den;
  fraction = float (r) * inverse;
  return q;
}
