#include "settings/name_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NameRangesTest : public testing::Test {
 protected:
  std::string problem() {
    const Result<NameRanges> ranges = read_name_ranges(settings, warnings);
    return ranges ? "none" : ranges.error().message();
  }
  void use_loopback() {
    settings.dns_server.cidr = "127.1.0.0/16";
    settings.ipam.mesh_multi_zone_service.cidr = "127.2.0.0/16";
    settings.ipam.mesh_external_service.cidr = "127.3.0.0/16";
    settings.ipam.mesh_service.cidr = "127.4.0.0/16";
    settings.dns_server.service_vip_port = 8080;
  }

  ControlPlaneSettings settings;
  std::vector<std::string> warnings;
};

TEST_F(NameRangesTest, TheDefaultsAreFineThoughOneRangeIsAroundTheOthers) {
  EXPECT_EQ(problem(), "none");
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(NameRangesTest, LoopbackRangesAreFineWithRoute53) {
  use_loopback();
  settings.kmesh.runtime.aws.route53.enabled = true;
  EXPECT_EQ(problem(), "none");
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(NameRangesTest, OthersAreWarnedOfWithRoute53AsIsAPrivilegedPort) {
  use_loopback();
  settings.kmesh.runtime.aws.route53.enabled = true;
  settings.ipam.mesh_service.cidr = "241.0.0.0/8";
  settings.dns_server.service_vip_port = 80;
  EXPECT_EQ(problem(), "none");
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("KUMA_IPAM_MESH_SERVICE_CIDR"), HasSubstr("KUMA_DNS_SERVER_SERVICE_VIP_PORT")));
}

TEST_F(NameRangesTest, RangesThatShareAddressesAreRefused) {
  use_loopback();
  settings.ipam.mesh_service.cidr = "127.3.128.0/17";
  EXPECT_THAT(problem(), HasSubstr("shares addresses with"));
  use_loopback();
  settings.dns_server.cidr = "127.4.7.0/24";
  EXPECT_THAT(problem(), HasSubstr("KUMA_DNS_SERVER_CIDR"));
}

TEST_F(NameRangesTest, WhatIsNoRangeIsRefusedByItsName) {
  settings.ipam.mesh_external_service.cidr = "fd00::/64";
  EXPECT_THAT(problem(), HasSubstr("KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR"));
  EXPECT_THAT(problem(), HasSubstr("IPv6"));
  settings.ipam.mesh_external_service.cidr = "242.0.0.0/8";
  settings.dns_server.domain = "not a domain";
  EXPECT_THAT(problem(), HasSubstr("KUMA_DNS_SERVER_DOMAIN"));
}

}  // namespace
}  // namespace mesh
