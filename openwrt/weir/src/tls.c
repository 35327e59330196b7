// TLS as a client, by mbedTLS 3.6. Decides whether the peer is the one that was asked for, and says in words why not.

// The description of the alert that a peer sent has no accessor.
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "weir.h"

enum { PIN = 32 };

struct tls {
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config config;
  mbedtls_x509_crt authorities, certificate;
  mbedtls_pk_context key;
  int fd;
  int error;         /* errno of the last send or recv that failed, or 0 */
  short wants;       /* what the handshake waits for */
  size_t unfinished; /* a record on its way has to be offered again with its length */
  bool has_authorities, has_pin, pin_differs;
  uint8_t pin[PIN];
};

static int send_bytes(void *context, const unsigned char *bytes, size_t length) {
  struct tls *tls = context;
  ssize_t went = send(tls->fd, bytes, length, MSG_NOSIGNAL);
  if (went >= 0) return (int)went;
  if (errno == EAGAIN || errno == EINTR) return MBEDTLS_ERR_SSL_WANT_WRITE;
  tls->error = errno;
  /* A peer that broke off the handshake has said why, and that is still to be read. */
  return mbedtls_ssl_is_handshake_over(&tls->ssl) ? MBEDTLS_ERR_SSL_CONN_EOF : (int)length;
}

static int receive_bytes(void *context, unsigned char *bytes, size_t size) {
  struct tls *tls = context;
  ssize_t got = recv(tls->fd, bytes, size, 0);
  if (got > 0) return (int)got;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return MBEDTLS_ERR_SSL_WANT_READ;
  if (got < 0) tls->error = errno;
  return MBEDTLS_ERR_SSL_CONN_EOF;
}

static int random_bytes(void *context, unsigned char *bytes, size_t size) {
  fill_random(bytes, size);
  return 0;
}

#ifdef MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *bytes, size_t size, size_t *got) {
  fill_random(bytes, size);
  *got = size;
  return PSA_SUCCESS;
}
#endif

/* Called for each certificate of the chain, the peer's own (depth 0) last. */
static int judge(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
  struct tls *tls = context;
  if (!tls->has_authorities) *flags = 0;
  if (depth != 0 || !tls->has_pin) return 0;
  uint8_t digest[PIN];
  if (mbedtls_sha256(certificate->pk_raw.p, certificate->pk_raw.len, digest, 0) != 0) abort();
  if (memcmp(digest, tls->pin, PIN) == 0) return 0;
  tls->pin_differs = true;
  return MBEDTLS_ERR_X509_FATAL_ERROR;
}

struct tls *tls_open(int fd, const struct tls_request *request, struct failure *failure) {
  struct tls *tls = allocate(sizeof *tls);
  tls->fd = fd;
  tls->wants = POLLOUT;
  tls->has_authorities = request->authorities[0] != '\0';
  tls->has_pin = request->pin != NULL;
  if (tls->has_pin) memcpy(tls->pin, request->pin, PIN);
  mbedtls_ssl_init(&tls->ssl);
  mbedtls_ssl_config_init(&tls->config);
  mbedtls_x509_crt_init(&tls->authorities);
  mbedtls_x509_crt_init(&tls->certificate);
  mbedtls_pk_init(&tls->key);
  if (psa_crypto_init() != PSA_SUCCESS) abort();
  if (mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
    die(EXIT_MEMORY, "out of memory: no TLS configuration");
  mbedtls_ssl_conf_rng(&tls->config, random_bytes, NULL);
  mbedtls_ssl_conf_verify(&tls->config, judge, tls);

  if (!tls->has_authorities && !tls->has_pin) {
    fail(failure, "tls-certificate", "neither an authority nor a pin to trust %s by", request->name);
    return tls;
  }
  if (tls->has_authorities) {
    if (mbedtls_x509_crt_parse(&tls->authorities, (const uint8_t *)request->authorities, strlen(request->authorities) + 1) != 0) {
      fail(failure, "malformed", "the authorities for %s are no PEM certificates", request->name);
      return tls;
    }
    mbedtls_ssl_conf_ca_chain(&tls->config, &tls->authorities, NULL);
  }
  /* With a pin alone the chain may be anything; `judge` stops the handshake when the key is not the one. */
  mbedtls_ssl_conf_authmode(&tls->config, tls->has_authorities ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
  if (request->certificate[0] != '\0') {
    const char *pem = request->certificate, *key = request->key;
    if (mbedtls_x509_crt_parse(&tls->certificate, (const uint8_t *)pem, strlen(pem) + 1) != 0 ||
        mbedtls_pk_parse_key(&tls->key, (const uint8_t *)key, strlen(key) + 1, NULL, 0, random_bytes, NULL) != 0 ||
        mbedtls_ssl_conf_own_cert(&tls->config, &tls->certificate, &tls->key) != 0) {
      fail(failure, "malformed", "our own certificate or key for %s is no PEM", request->name);
      return tls;
    }
  }
  if (mbedtls_ssl_setup(&tls->ssl, &tls->config) != 0) die(EXIT_MEMORY, "out of memory: the system has no room for TLS");
  if (mbedtls_ssl_set_hostname(&tls->ssl, request->name) != 0) {
    fail(failure, "tls-name", "%.80s… is too long for a name", request->name);
    return tls;
  }
  mbedtls_ssl_set_bio(&tls->ssl, tls, send_bytes, receive_bytes, NULL);
  return tls;
}

void tls_free(struct tls *tls) {
  if (tls == NULL) return;
  mbedtls_ssl_free(&tls->ssl);
  mbedtls_ssl_config_free(&tls->config);
  mbedtls_x509_crt_free(&tls->authorities);
  mbedtls_x509_crt_free(&tls->certificate);
  mbedtls_pk_free(&tls->key);
  free(tls);
}

static void explain_certificate(struct tls *tls, struct failure *failure) {
  static const struct {
    uint32_t flag;
    const char *code, *reason;
  } reasons[] = {
      {MBEDTLS_X509_BADCERT_EXPIRED, "tls-certificate", "certificate expired"},
      {MBEDTLS_X509_BADCERT_FUTURE, "tls-certificate", "certificate not valid yet (or our clock is behind)"},
      {MBEDTLS_X509_BADCERT_REVOKED, "tls-certificate", "certificate revoked"},
      {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "tls-certificate", "certificate not signed by a trusted authority"},
      {MBEDTLS_X509_BADCERT_MISSING, "tls-certificate", "no certificate"},
      {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY, "tls-certificate",
       "certificate with a weak or unknown key or signature"},
      {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "tls-certificate",
       "certificate not meant for a server"},
      {MBEDTLS_X509_BADCERT_CN_MISMATCH, "tls-name", "certificate is for another name"},
  };
  const uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (flags & reasons[i].flag) return fail(failure, reasons[i].code, "%s: %s", mbedtls_ssl_get_hostname(&tls->ssl), reasons[i].reason);
  fail(failure, "tls-certificate", "certificate refused (flags %x)", (unsigned)flags);
}

static const char *alert_name(int number) {
  switch (number) {
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE: return "no common parameters";
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT: return "our certificate is bad";
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED: return "our certificate expired";
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN: return "our certificate is unacceptable";
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA: return "our certificate's authority is unknown";
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED: return "access denied";
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION: return "no common version";
    case MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME: return "unknown name";
    case 116: return "it wants a certificate of ours";
    default: return "see RFC 8446, 6";
  }
}

static int explain(struct tls *tls, int result, struct failure *failure) {
  if (tls->pin_differs) {
    fail(failure, "tls-pin", "the peer's key is not the pinned one");
  } else if (result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
    explain_certificate(tls, failure);
  } else if (result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    const int alert = tls->ssl.in_msg == NULL ? 0 : tls->ssl.in_msg[1];
    /* The peer's own word is the cause, whatever failed before it was read. */
    failure->code = NULL;
    fail(failure, "tls-protocol", "the peer sent TLS alert %d: %s", alert, alert_name(alert));
  } else if (result == MBEDTLS_ERR_SSL_CONN_EOF) {
    fail_errno(failure, tls->error == 0 ? ECONNRESET : tls->error, "TLS");
  } else if (result == MBEDTLS_ERR_SSL_ALLOC_FAILED) {
    die(EXIT_MEMORY, "out of memory: the system has no room for TLS");
  } else {
    fail(failure, "tls-protocol", "TLS failed (mbedTLS -0x%04x)", (unsigned)-result);
  }
  return FAILED;
}

short tls_wants(const struct tls *tls) { return tls->wants; }

bool tls_holds_bytes(const struct tls *tls) { return mbedtls_ssl_check_pending(&tls->ssl) != 0; }

int tls_shake(struct tls *tls, struct failure *failure) {
  const int result = mbedtls_ssl_handshake(&tls->ssl);
  if (result == 0) return 0;
  tls->wants = result == MBEDTLS_ERR_SSL_WANT_WRITE ? POLLOUT : POLLIN;
  if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return AGAIN;
  return explain(tls, result, failure);
}

ssize_t tls_receive(struct tls *tls, uint8_t *bytes, size_t size, struct failure *failure) {
  for (;;) {
    const int result = mbedtls_ssl_read(&tls->ssl, bytes, size);
    if (result > 0) return result;
    /* TLS 1.3 hands out tickets after the handshake; we resume no sessions. */
    if (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) continue;
    if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return AGAIN;
    if (result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return 0;
    /* An end without close_notify may be anybody's. */
    return explain(tls, result == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : result, failure);
  }
}

ssize_t tls_transmit(struct tls *tls, const uint8_t *bytes, size_t length, struct failure *failure) {
  const int result = mbedtls_ssl_write(&tls->ssl, bytes, tls->unfinished != 0 ? tls->unfinished : length);
  const bool again = result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
  if (again && tls->unfinished == 0) tls->unfinished = length;
  if (again) return AGAIN;
  tls->unfinished = 0;
  return result >= 0 ? result : explain(tls, result, failure);
}

int tls_end(struct tls *tls, struct failure *failure) {
  const int result = mbedtls_ssl_close_notify(&tls->ssl);
  if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return AGAIN;
  return result == 0 ? 0 : explain(tls, result, failure);
}
