// Winograd's transforms of columns, which macros hand their results to: KEEPj (i, e) puts element i of column j where rows find it.
#define KEEP0(i, e) t[i][0] = e;
#define KEEP1(i, e) t[i][1] = e;
#define KEEP2(i, e) t[i][2] = e;
#define KEEP3(i, e) t[i][3] = e;
#define KEEP4(i, e) t[i][4] = e;
#define KEEP5(i, e) t[i][5] = e;
