#version 450
// Whether the compiler at hand knows cooperative matrices.
#extension GL_KHR_cooperative_matrix : require
layout (local_size_x = 1) in;

void
main ()
{
}
