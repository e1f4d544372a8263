// Where AWS's services are: partitions, regions and the host names of the endpoints that we use. A region that is not
// in the table does not exist for us: its name may have come from somebody who wants a request sent to a place of his
// choosing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::aws {

struct Region {
  std::string_view name;       // "eu-west-1"
  std::string_view partition;  // as in ARNs: "aws", "aws-cn", "aws-us-gov"
};
const Region* find_region(std::string_view name);

// Which of a region's STS endpoints a request is signed for.
enum class StsEndpoint { Regional, Global, Fips };
std::string_view sts_endpoint_name(StsEndpoint endpoint);
std::optional<StsEndpoint> parse_sts_endpoint(std::string_view text);

// A host and the region that its signatures are made for.
struct Endpoint {
  std::string host;
  std::string signing_region;
};
// Invalid: there is no such endpoint (the global one exists only in the partition "aws", FIPS in few regions).
Result<Endpoint> sts_endpoint(const Region& region, StsEndpoint endpoint);
// IAM and Route 53 exist once per partition.
Result<Endpoint> iam_endpoint(std::string_view partition);
Result<Endpoint> route53_endpoint(std::string_view partition);
Endpoint secrets_manager_endpoint(const Region& region);

// arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
struct Arn {
  std::string partition, service, region, account, resource;
};
std::optional<Arn> parse_arn(std::string_view text);
bool is_account_id(std::string_view text);  // twelve digits
bool is_role_name(std::string_view text);   // as IAM allows: 1 to 64 letters, digits and _+=,.@-

}  // namespace mesh::aws
