// How a flat lane index is made and taken apart (nddr/ops/lanes.h is the other side).

// The workgroup among all of a dispatch whose groups go on in y where x is full, the lane in it, and among all.
#define GROUP_INDEX int (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x)
#ifdef NDDR_SOFTWARE
#define LANE_IN_GROUP int (gl_SubgroupInvocationID)
#else
#define LANE_IN_GROUP int (gl_LocalInvocationID.x)
#endif
#define LANE_INDEX (GROUP_INDEX * LOCAL + LANE_IN_GROUP)

// Push constants that a loop reads are first copied to variables of their own names ("int n = n;": the right n is still the outer):
// within a loop, software drivers read them lane by lane.

// i / n for 0 <= i, given inverse = 1 / n.  Software drivers have no vector division: there a product with the inverse is
// exact up to 4 million lanes, and kernels give each lane many texels.
#ifdef NDDR_SOFTWARE
#define QUOTIENT(i, n, inverse) int ((float (i) + 0.5) * (inverse))
#else
#define QUOTIENT(i, n, inverse) ((i) / (n))
#endif
