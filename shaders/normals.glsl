// How far a predicted normal is from another: 1 - cos, or the angle between them.

layout (constant_id = 0) const bool ANGLE = false;
#define SHORTEST 1e-8    // a vector's length counts as at least this; a shorter one has no direction
#define LEAST_SINE 1e-3  // an angle's gradient, of one size everywhere, falls to 0 below this, and near a half turn

// A prediction v that differs from the unit vector l: by how much, and the gradient of that.
float
difference (vec3 v, vec3 l, out vec3 gradient)
{
  float length_v = sqrt (dot (v, v)), n = max (length_v, SHORTEST);
  bool directed = length_v > SHORTEST;
  vec3 u = v / n, across = cross (u, l);
  float cosine = dot (u, l), sine = directed ? sqrt (dot (across, across)) : 1.0;
  gradient = ((directed ? u * cosine : vec3 (0)) - l) / n;
  if (!ANGLE)
    return 1.0 - cosine;
  gradient /= max (sine, LEAST_SINE);
  return atan (max (sine, 1e-20), cosine);
}
