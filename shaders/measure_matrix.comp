#version 450
// The rate of products on cooperative matrices: 8 sums a subgroup, which do not wait for each other, each 4 * rounds times s = a b + s.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#pragma use_vulkan_memory_model

layout (local_size_x_id = 0) in;
layout (constant_id = 1) const int M = 16;
layout (constant_id = 2) const int N = 16;
layout (constant_id = 3) const int K = 16;

layout (binding = 0) readonly buffer X { uvec4 x[]; };  // [M][K], then [N][K]
layout (binding = 1) writeonly buffer Y { float y[]; }; // [subgroup][M][N]
layout (push_constant) uniform Push { int rounds; };

const int SUMS = 8;

void
main ()
{
  coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
  coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[SUMS];

  coopMatLoad (a, x, 0, K / 8, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad (b, x, M * K / 8, K / 8, gl_CooperativeMatrixLayoutColumnMajor);
  [[unroll]] for (int i = 0; i < SUMS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> (float (i));
  for (int r = 0; r < rounds; r++) {
    [[unroll]] for (int k = 0; k < 4; k++)
      [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = coopMatMulAdd (a, b, sums[i]);
  }
  [[unroll]] for (int i = 1; i < SUMS; i++)
    sums[0] += sums[i];
  coopMatStore (sums[0], y, (int (gl_WorkGroupID.x) * int (gl_NumSubgroups) + int (gl_SubgroupID)) * M * N, N, gl_CooperativeMatrixLayoutRowMajor);
}
