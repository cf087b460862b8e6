// How a flat lane index is made and taken apart (nddr/ops/lanes.h is the other side).

// The lane among all of a dispatch whose groups may go on in y where x is full.
#ifdef NDDR_SOFTWARE
#define LANE_INDEX (int (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * LOCAL + int (gl_SubgroupInvocationID))
#else
#define LANE_INDEX (int (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * LOCAL + int (gl_LocalInvocationID.x))
#endif

// i / n for 0 <= i, given inverse = 1 / n.  Software drivers have no vector division: there a product with the inverse is
// exact up to 4 million lanes, and kernels give each lane many texels.
#ifdef NDDR_SOFTWARE
#define QUOTIENT(i, n, inverse) int ((float (i) + 0.5) * (inverse))
#else
#define QUOTIENT(i, n, inverse) ((i) / (n))
#endif
