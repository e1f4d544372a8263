// Who opened a stream: Envoy's Node message, without the parts that are large and of no use here.
#pragma once

#include <string_view>

#include "ads/ads.h"
#include "base/result.h"

namespace mesh {

// Invalid: it is no Node, or its id is not "<mesh>.<name>", or its metadata is too large or too deep.
Result<ProxyNode> parse_node(std::string_view bytes);

// "<mesh>.<name>"; the mesh ends at the first dot and is empty for zone proxies.
Result<ProxyId> parse_node_id(std::string_view id);

// A google.protobuf.Struct as one JSON object, keys in order.
Result<std::string> struct_to_json(std::string_view bytes);

}  // namespace mesh
