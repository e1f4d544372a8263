// Names in Route 53: from the settings to what the control plane runs, and the commands of the operator.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controllers/route53_controller.h"
#include "settings/control_plane.h"

namespace mesh {

struct Route53Parts {
  std::unique_ptr<aws::Route53Api> api;
  Route53NamesSettings names;
  Route53PublisherSettings publisher;
};
// None: it is not asked for. Finds out in which partition of AWS we are, which may wait for the network.
Result<std::optional<Route53Parts>> route53_parts(const ControlPlaneSettings& settings, const Environment& environment,
                                                  const Clock& clock, const std::string& instance_id,
                                                  const std::string& store_id);

// taskmesh-cp route53 …: what the store wants published, for the hosted zone of the settings, those of generators, and
// `more_zones`. They tell what they do on standard output.
enum class Route53Command { Plan, Sync, Purge };
Status run_route53_command(const ControlPlaneSettings& settings, Route53Command command,
                           const std::vector<std::string>& more_zones);

}  // namespace mesh
