// The draft of one proxy's configuration: named Envoy resources that the builder makes and policies edit.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace envoy::config::cluster::v3 { class Cluster; }
namespace envoy::config::listener::v3 { class Listener; }
namespace envoy::config::route::v3 { class RouteConfiguration; }

namespace mesh::envoy {
class ResourceSet;  // to be filled by its owner
}
