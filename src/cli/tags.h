// The tags of a Dataplane or an ExternalService on one line.
#pragma once

#include <boost/json/value.hpp>

#include <string>

namespace mesh::cli {

// "kuma.io/service=a,b version=1": of all inbounds, or of the gateway, or of the resource itself.
std::string tags_text(const boost::json::value& resource);

}  // namespace mesh::cli
