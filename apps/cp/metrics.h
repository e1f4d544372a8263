// The figures of the control plane, as Prometheus reads them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aws/call_counters.h"
#include "controllers/route53_publisher.h"
#include "controllers/service_names.h"
#include "identity/aws_authority.h"
#include "model/kind.h"
#include "pipeline/pipeline.h"
#include "store/store.h"

namespace mesh {

// What the control plane asked of AWS, where it does.
struct AwsFigures {
  std::vector<aws::CallCounters::Operation> calls;
  AwsAuthorityCounts authority;
};

std::string metrics_text(const Pipeline& pipeline, const Store& store, const KindRegistry& kinds,
                         const std::optional<AwsFigures>& aws = {}, const NamingFigures& names = {},
                         const std::optional<Route53Figures>& route53 = {});

}  // namespace mesh
