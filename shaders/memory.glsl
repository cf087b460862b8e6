// (each shader itself asks for GL_GOOGLE_include_directive, to include this)
// How kernels reach memory, so that most shaders are written once for both families.
//
//   LOAD_BUFFER (binding, name)   a map or a flat tensor that is read, four floats a texel   [T]
//   LOAD (name, i)                texel i, as a vec4.  Software: i counts from the start of the space (add the pushed base);
//                                 GPU: from the tensor's start (the pushed base is then what was added to it)
//   LOAD32_BUFFER (binding, name)  and LOAD32 (name, i): the same for what is float32 in the half variant too   [T]
//   STORE_BUFFER (binding, name)  a tensor that is written; texel i counts from the tensor's start   [S]
//   STORE (name, i, v)
//   STORE32_BUFFER (binding, name) and STORE32 (name, i, v): likewise   [S]
//   UPDATE_BUFFER (binding, name) read and written in place through one binding   [S]
//   FETCH (name, i)               reads such a buffer (slow on software drivers)
//   OUTPUT_BUFFER (binding, name), OUTPUT (name, i, v)   a map that is written: float32 in the mixed variant, as are those
//   ADDEND_BUFFER (binding, name), ADDEND (name, i)      that are added to it; as STORE and LOAD elsewhere   [S]
//   GLOBAL_INDEX                  the invocation's index along x
//
// A loop that lanes leave at different times must test before its body (for, while): llvmpipe of Mesa 22.3 lets lanes that are done
// go on summing in a do-while. Where all go round equally often, do-while is the faster one: it saves a masked pass.
//
// In the software family one workgroup is one subgroup of 8 lanes, loads are imageLoad on a texel buffer (the cheap vector
// load of llvmpipe) and stores go as 64-bit words. In the half variant maps hold float16: a texel is still four channels.  In the mixed one those
// that are multiplied do.

#ifdef NDDR_SOFTWARE
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#define LOCAL_SIZE layout (local_size_x = 8) in;
#define LOCAL 8
#define GLOBAL_INDEX (int (gl_WorkGroupID.x) * 8 + int (gl_SubgroupInvocationID))
#define LOAD_BUFFER(b, name) layout (binding = b, rgba32f) readonly uniform imageBuffer name;
#define LOAD(name, i) imageLoad (name, i)
#define LOAD32_BUFFER(b, name) LOAD_BUFFER (b, name)
#define LOAD32(name, i) imageLoad (name, i)
#define STORE_BUFFER(b, name) layout (binding = b) writeonly buffer Buffer_##name { u64vec2 name[]; };
#define PAIR(x, y) packUint2x32 (floatBitsToUint (vec2 (x, y)))
#define STORE(name, i, v) { vec4 v_ = (v); name[i] = u64vec2 (PAIR (v_.x, v_.y), PAIR (v_.z, v_.w)); }
#define STORE32_BUFFER(b, name) STORE_BUFFER (b, name)
#define STORE32(name, i, v) STORE (name, i, v)
#define UPDATE_BUFFER(b, name) layout (binding = b) buffer Buffer_##name { vec4 name[]; };
#define FETCH(name, i) name[i]
#define UPDATE(name, i, v) name[i] = (v)
#else
#define LOCAL_SIZE layout (local_size_x = 64) in;
#define LOCAL 64
#define GLOBAL_INDEX int (gl_GlobalInvocationID.x)
#ifdef NDDR_HALF
#extension GL_EXT_shader_16bit_storage : require
#define TEXEL f16vec4
#else
#define TEXEL vec4
#endif
#define LOAD_BUFFER(b, name) layout (binding = b) readonly buffer Buffer_##name { TEXEL name[]; };
#define LOAD(name, i) vec4 (name[i])
#define LOAD32_BUFFER(b, name) layout (binding = b) readonly buffer Buffer_##name { vec4 name[]; };
#define LOAD32(name, i) name[i]
#define STORE_BUFFER(b, name) layout (binding = b) writeonly buffer Buffer_##name { TEXEL name[]; };
#define STORE(name, i, v) name[i] = TEXEL (v)
#define STORE32_BUFFER(b, name) layout (binding = b) writeonly buffer Buffer_##name { vec4 name[]; };
#define STORE32(name, i, v) name[i] = (v)
#define UPDATE_BUFFER(b, name) layout (binding = b) buffer Buffer_##name { TEXEL name[]; };
#define FETCH(name, i) vec4 (name[i])
#define UPDATE(name, i, v) name[i] = TEXEL (v)
#endif

#ifdef NDDR_MIXED
#define OUTPUT_BUFFER(b, name) STORE32_BUFFER (b, name)
#define OUTPUT(name, i, v) STORE32 (name, i, v)
#define ADDEND_BUFFER(b, name) LOAD32_BUFFER (b, name)
#define ADDEND(name, i) LOAD32 (name, i)
#else
#define OUTPUT_BUFFER(b, name) STORE_BUFFER (b, name)
#define OUTPUT(name, i, v) STORE (name, i, v)
#define ADDEND_BUFFER(b, name) LOAD_BUFFER (b, name)
#define ADDEND(name, i) LOAD (name, i)
#endif
