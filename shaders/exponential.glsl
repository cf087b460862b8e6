// exp and log to about one unit in the last place: what drivers offer is allowed far more, and software drivers take it.

// exp of what is not above 0: 2^n by its exponent bits, times a polynomial of the rest; 0 below -87
vec4
exponential (vec4 x)
{
  vec4 v = max (x, vec4 (-87.0));
  vec4 n = floor (v * 1.44269504 + 0.5);
  vec4 r = (v - n * 0.693359375) + n * 2.12194440e-4;
  vec4 p = vec4 (1.9875691500e-4);
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = p * r * r + r + 1.0;
  return mix (vec4 (0), p * intBitsToFloat ((ivec4 (n) + 127) << 23), greaterThan (x, vec4 (-87.0)));
}

// log of what is not below 1: one Newton step on exp (y) = v, from the driver's answer
float
logarithm (float v)
{
  float y = log (v), e = exponential (vec4 (-y)).x;
  return y + (v * e - 1.0);
}
