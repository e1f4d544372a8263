// Discovery requests and responses between their bytes and what the protocol state works with.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ads/ads.h"
#include "base/bytes.h"
#include "base/result.h"
#include "delta/discovery_state.h"

namespace mesh {

// Our types in the order of kXdsTypes, which is the order of XdsType too.
extern const DiscoveryPlan kXdsPlan;
std::optional<XdsType> find_type(std::string_view url);

template <class Body>
struct ParsedRequest {
  std::optional<ProxyNode> node;
  std::string type_url;
  Body body;
};

// envoy.service.discovery.v3.DiscoveryRequest and DeltaDiscoveryRequest. Invalid: they are not.
Result<ParsedRequest<SotwRequest>> parse_sotw_request(std::string_view bytes);
Result<ParsedRequest<DeltaRequest>> parse_delta_request(std::string_view bytes);

// envoy.service.discovery.v3.DiscoveryResponse and DeltaDiscoveryResponse, in pieces: what belongs to this stream
// alone, and between it the shared bytes of the resources.
std::vector<Bytes> make_sotw_response(const Push& push);
std::vector<Bytes> make_delta_response(const Push& push);

}  // namespace mesh
