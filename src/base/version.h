// What this program is, for logs, indexes and clients that check.
#pragma once

namespace mesh {

inline constexpr const char* kProduct = "Taskmesh";
inline constexpr const char* kVersion = "0.1.0";  // the same as in CMakeLists.txt
// What the index of the REST interface says. Stock clients accept a control plane of another product only when its
// version is one of a preview, which 0.x is.
inline constexpr const char* kApiVersion = "0.1.0-preview";
inline constexpr const char* kPeerVersion = "2.14.3";  // the Kuma whose interfaces we have; stock clients compare it

}  // namespace mesh
