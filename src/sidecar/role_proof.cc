#include "sidecar/role_proof.h"

#include <algorithm>

#include "base/log.h"

namespace mesh::sidecar {

std::string audience_of(const std::string& cp_address) {
  std::string_view host = cp_address;
  if (const auto scheme = host.find("://"); scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  const auto bracket = host.find(']');
  const auto port = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return aws::normal_audience(host.substr(0, port));
}

RoleProof::RoleProof(aws::ChainNeeds needs, aws::ProofClaims claims, Write write)
    : needs_(std::move(needs)),
      claims_(std::move(claims)),
      write_(std::move(write)),
      credentials_(aws::make_credential_chain(needs_), *needs_.caller.clock) {}

Status RoleProof::sign() {
  MESH_TRY(const aws::Credentials credentials, credentials_.get());
  if (region_ == nullptr) {
    MESH_TRY(region_, aws::find_own_region(needs_));
  }
  MESH_TRY(const Secret proof,
           aws::make_identity_proof(claims_, credentials.keys, *region_,
                                    aws::preferred_sts_endpoint(needs_.environment), needs_.caller.clock->now()));
  MESH_RETURN_IF_ERROR(write_(proof));
  keys_end_ = credentials.expires;
  const std::string who =
      (credentials.role_arn.empty() ? "an IAM role" : credentials.role_arn) + " from " + credentials.source;
  if (who != told_)
    MESH_LOG_INFO("sidecar", "proves to {} that it runs with {}, region {}", claims_.audience, who, region_->name);
  told_ = who;
  return {};
}

Status RoleProof::sign_at_start(int tries) {
  Status signed_now = sign();
  for (int i = 1; i < tries && !signed_now && signed_now.error().kind == ErrorKind::Unavailable; ++i) {
    MESH_LOG_WARN("sidecar", "cannot prove the IAM role yet: {}", signed_now.error().message());
    wait({}, std::chrono::seconds(1));
    signed_now = sign();
  }
  if (!signed_now)
    return with_context(std::move(signed_now).error(), "proving the IAM role of this task (--auth-type=aws)");
  return {};
}

void RoleProof::keep_signing() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Duration RoleProof::until_next() const {
  if (!keys_end_) return kSignEvery;
  return std::clamp<Duration>((*keys_end_ - needs_.caller.clock->now()) / 2, kTryAgainAfter, kSignEvery);
}

void RoleProof::run(const std::stop_token& stop) {
  Duration pause = until_next();
  while (true) {
    wait(stop, pause);
    if (stop.stop_requested()) return;
    const Status signed_now = sign();
    if (!signed_now)
      MESH_LOG_WARN("sidecar", "the proof of the IAM role could not be renewed; tried again soon: {}",
                    signed_now.error().message());
    pause = signed_now ? until_next() : kTryAgainAfter;
  }
}

void RoleProof::wait(const std::stop_token& stop, Duration time) {
  std::unique_lock lock(mutex_);
  never_.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace mesh::sidecar
