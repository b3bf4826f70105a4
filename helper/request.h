/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each request does. Each answers now, or keeps the connection and sets gone. */

struct connection;
union proto_message;

void request_open_session(struct connection *connection, const union proto_message *message);
void request_close_session(struct connection *connection, const union proto_message *message);
void request_find_session(struct connection *connection, const union proto_message *message);
void request_enter(struct connection *connection, const union proto_message *message);
void request_status(struct connection *connection, const union proto_message *message);
void request_kill_subgroup(struct connection *connection, const union proto_message *message);
void request_remove_subgroup(struct connection *connection, const union proto_message *message);
